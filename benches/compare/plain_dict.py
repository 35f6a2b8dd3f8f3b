"""Rival: the script that everybody writes first. Two passes over the log, dictionaries in memory, JSON out.

usage: plain_dict.py LOG OUT THREADS
"""

import json
import sys

log, out, _ = sys.argv[1:]
logins = {}
customers = set()
with open(log, encoding="utf-8") as lines:
    for line in lines:
        event = json.loads(line)
        ids = event["user"]["identities"]
        customer, session = ids.get("ecommerceId"), ids.get("sessionId")
        if customer is None:
            continue
        customers.add(customer)
        if session is not None:
            login = (event["timestamp"], customer)
            if session not in logins or login < logins[session]:
                logins[session] = login

counts = {"direct": 0, "retroactive": 0, "carried": 0, "anonymous": 0}
with open(log, encoding="utf-8") as lines, open(out, "w", encoding="utf-8") as attributed:
    for line in lines:
        event = json.loads(line)
        ids = event["user"]["identities"]
        customer, session = ids.get("ecommerceId"), ids.get("sessionId")
        login = logins.get(session)
        if customer is not None:
            kind, person = "direct", customer
        elif login is None:
            kind, person = "anonymous", session
        else:
            kind, person = ("retroactive" if event["timestamp"] < login[0] else "carried"), login[1]
        counts[kind] += 1
        attributed.write(f'{{"at":"{event["timestamp"]}","person":"{person}","kind":"{kind}"}}\n')
counts["linked_sessions"] = len(logins)
counts["customers"] = len(customers)
print(json.dumps(counts))
