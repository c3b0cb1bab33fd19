"""Who asks, and what they may do: tokens, impersonation, RBAC, access reviews.

`Authenticator` says who a request comes from, `Authorizer` whether they may. Nothing here answers
requests but `reviews`.
"""
