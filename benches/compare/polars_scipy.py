"""Rival: polars reads and joins, scipy finds the connected components.

usage: polars_scipy.py LOG OUT THREADS

Components alone cannot say which customer of several an event belongs to, so the first login of each session is found as well. The
attributed events are kept as Parquet.
"""

import json
import os
import sys

log, out, threads = sys.argv[1:]
os.environ["POLARS_MAX_THREADS"] = threads

import numpy
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

TEXT = pl.String
identities = pl.Struct({"sessionId": TEXT, "ecommerceId": TEXT})
schema = {"timestamp": TEXT, "action": TEXT, "user": pl.Struct({"identities": identities})}
ids = pl.col("user").struct.field("identities")
events = pl.read_ndjson(log, schema=schema).select(
    at="timestamp", action="action", session=ids.struct.field("sessionId"), customer=ids.struct.field("ecommerceId")
)
both = events.filter(pl.col("session").is_not_null() & pl.col("customer").is_not_null())
logins = both.sort("at", "customer").group_by("session", maintain_order=True).agg(
    login=pl.col("customer").first(), since=pl.col("at").first()
)

pairs = both.select("session", "customer").unique()
session = pairs["session"].rank("dense").cast(pl.Int64).to_numpy() - 1
customer = pairs["customer"].rank("dense").cast(pl.Int64).to_numpy() - 1
sessions = int(session.max()) + 1 if len(session) else 0
size = sessions + (int(customer.max()) + 1 if len(customer) else 0)
edges = coo_matrix((numpy.ones(len(session), dtype=numpy.int8), (session, customer + sessions)), shape=(size, size))
components, _ = connected_components(edges, directed=False)

kind = (
    pl.when(pl.col("customer").is_not_null()).then(pl.lit("direct"))
    .when(pl.col("login").is_null()).then(pl.lit("anonymous"))
    .when(pl.col("at") < pl.col("since")).then(pl.lit("retroactive"))
    .otherwise(pl.lit("carried"))
)
attributed = events.join(logins, on="session", how="left").select(
    "at", "action", person=pl.coalesce("customer", "login", "session"), kind=kind
)
attributed.write_parquet(out)
counts = dict(attributed.group_by("kind").len().iter_rows())
counts["linked_sessions"] = len(logins)
counts["customers"] = events["customer"].n_unique() - int(events["customer"].null_count() > 0)
counts["components"] = int(components)
print(json.dumps(counts))
