"""
Gatekeeper's files, read as they are: templates, constraints, and suites that prove them.

A constraint is a policy. Its template says in Rego what is forbidden, its `match` and `parameters` say of what, and a
suite shows one case that it allows and one that it denies. What it is asked about is each document of a Snapshot, as
an object of Kubernetes (`reviews`).
"""
