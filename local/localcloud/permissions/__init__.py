"""IAM: what every call needs, and whether the role that makes it may.

Only the roles of a stack are held to their policies. Whoever uses the local cloud from outside, and the
roles that tests make by hand, may do everything.
"""

from localcloud import calls


def install() -> None:
    """Ask here about every call."""
    from localcloud.permissions.authorization import authorize

    calls.authorize = authorize
