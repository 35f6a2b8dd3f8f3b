"""Rival: a DuckDB job that starts from nothing every night.

usage: duckdb_replay.py LOG OUT THREADS [distinct]

Gives each session the customer it was first seen with, gives every event its person, and keeps all of it in a database file. With
`distinct` it drops repeated events, which backstitch always does. It keeps neither segments nor traits.
"""

import json
import os
import sys

import duckdb

log, out, threads, *rest = sys.argv[1:]
if os.path.exists(out):
    os.remove(out)
db = duckdb.connect(out, config={"threads": threads})
db.execute("set preserve_insertion_order = false")
db.execute(f"""
    create table event as
    select {"distinct" if rest else ""} coalesce("timestamp", "time") as ts, id, action, target,
           "user".identities."sessionId" as session, "user".identities."ecommerceId" as customer
    from read_json('{log}', format = 'newline_delimited', columns = {{
        'id': 'VARCHAR', 'timestamp': 'VARCHAR', 'time': 'VARCHAR', 'action': 'VARCHAR', 'target': 'JSON',
        'user': 'STRUCT(identities STRUCT("sessionId" VARCHAR, "ecommerceId" VARCHAR))'}})""")
db.execute("""
    create table login as
    select session, arg_min(customer, (ts, customer)) as customer, min(ts) as since
    from event where session is not null and customer is not null group by session""")
db.execute("""
    create table attributed as
    select event.ts, event.id, coalesce(event.customer, login.customer, event.session) as person,
           case when event.customer is not null then 'direct'
                when login.customer is null then 'anonymous'
                when event.ts < login.since then 'retroactive'
                else 'carried' end as kind
    from event left join login using (session)""")
db.execute("checkpoint")
counts = dict(db.execute("select kind, count(*) from attributed group by kind").fetchall())
counts["linked_sessions"] = db.execute("select count(*) from login").fetchone()[0]
counts["customers"] = db.execute("select count(distinct customer) from event").fetchone()[0]
print(json.dumps(counts))
