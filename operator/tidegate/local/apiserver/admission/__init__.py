"""What may still stop or change a write that its kind would take: webhooks, policies, RBAC.

`Gate` is one write's way through them; `AdmissionControl` holds what all of them share.
"""
