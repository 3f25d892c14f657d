"""What can go wrong, once for every edge: HTTP, WebSocket, tasks and the command line share these codes."""

from __future__ import annotations

from typing import ClassVar


class FairboardError(Exception):
    """The root. `detail` is for the person who made the request and never says what is inside the server."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL_ERROR"
    title: ClassVar[str] = "Internal error"
    detail: str = "Something went wrong on our side; nothing was changed. Please try again."

    def __init__(
        self, detail: str | None = None, *, errors: dict[str, str] | None = None, retry_after: int | None = None
    ) -> None:
        """`errors` maps a field to what is wrong with it; `retry_after` is in whole seconds."""
        self.detail = detail or type(self).detail
        self.errors = errors
        self.retry_after = retry_after
        super().__init__(self.detail)


class InvalidRequest(FairboardError):
    """The body, the query or a type in them is wrong."""

    status, code, title = 400, "VALIDATION_ERROR", "The request is not valid"
    detail = "The request is not valid; see errors."


class ActionNotFound(FairboardError):
    """No such action type in the catalogue."""

    status, code, title = 400, "ACTION_NOT_FOUND", "Unknown action"
    detail = "There is no action of this type; GET /api/actions lists them."


class ActionKindMismatch(FairboardError):
    """A timed action sent to the endpoint for `once` actions, or the other way round."""

    status, code, title = 400, "ACTION_KIND_MISMATCH", "Wrong kind of action"
    detail = "This action is completed through the other endpoint."


class ActionDataInvalid(FairboardError):
    """The data do not follow the rules of the action's catalogue entry."""

    status, code, title = 400, "ACTION_DATA_INVALID", "The action's data are not valid"
    detail = "The data do not follow the rules of this action; see errors."


class ActionAlreadyCompleted(FairboardError):
    """A `once` action for the second time."""

    status, code, title = 400, "ACTION_ALREADY_COMPLETED", "Already completed"
    detail = "You have completed this action before, and it counts once."


class ActionTokenInvalid(FairboardError):
    """Not a token of ours, or not this player's."""

    status, code, title = 400, "ACTION_TOKEN_INVALID", "Invalid action token"
    detail = "This action token is not valid; request a new one."


class ActionTokenExpired(FairboardError):
    """The token's five minutes are over."""

    status, code, title = 400, "ACTION_TOKEN_EXPIRED", "Expired action token"
    detail = "This action token has expired; request a new one."


class TokenAlreadyUsed(FairboardError):
    """The token was spent before, by a completion that counted or by one that was suspicious."""

    status, code, title = 400, "TOKEN_ALREADY_USED", "Action token already used"
    detail = "This action token has been used already; request a new one."


class SuspiciousActivity(FairboardError):
    """A proof that cannot be true. Stored with its evidence."""

    status, code, title = 400, "SUSPICIOUS_ACTIVITY", "Suspicious activity"
    detail = "This completion cannot be true. It was not counted and has been recorded for review."


class Unauthorized(FairboardError):
    """No access token."""

    status, code, title = 401, "UNAUTHORIZED", "Not logged in"
    detail = "Send an access token as `Authorization: Bearer <token>`."


class InvalidToken(FairboardError):
    """A token that is broken, revoked or of the wrong type."""

    status, code, title = 401, "INVALID_TOKEN", "Invalid token"
    detail = "This token is not valid here; log in again."


class TokenExpired(FairboardError):
    """A token whose time is over."""

    status, code, title = 401, "TOKEN_EXPIRED", "Expired token"
    detail = "This token has expired; refresh it or log in again."


class InvalidCredentials(FairboardError):
    """Wrong username or password; which of the two is not told."""

    status, code, title = 401, "INVALID_CREDENTIALS", "Wrong username or password"
    detail = "The username or the password is wrong."


class Forbidden(FairboardError):
    """The account's role does not allow this."""

    status, code, title = 403, "FORBIDDEN", "Not allowed"
    detail = "Your account may not do this."


class AccountSuspended(FairboardError):
    """The account was suspended by a reviewer."""

    status, code, title = 403, "ACCOUNT_SUSPENDED", "Account suspended"
    detail = "This account is suspended."


class NotFound(FairboardError):
    """No such thing."""

    status, code, title = 404, "NOT_FOUND", "Not found"
    detail = "There is nothing here."


class MethodNotAllowed(FairboardError):
    """The path exists, but not for this method."""

    status, code, title = 405, "METHOD_NOT_ALLOWED", "Method not allowed"
    detail = "This path does not take this method."


class UsernameTaken(FairboardError):
    """Someone has this name, in whatever case."""

    status, code, title = 409, "USERNAME_TAKEN", "Username taken"
    detail = "This username is taken; choose another."


class CaseChanged(FairboardError):
    """Somebody has decided the case since the analyst looked at it, or the analysis has found something more."""

    status, code, title = 409, "CASE_CHANGED", "The case has changed"
    detail = "Meanwhile somebody has decided this case, or there is new evidence; look at it again."


class PayloadTooLarge(FairboardError):
    """A body larger than any request needs."""

    status, code, title = 413, "PAYLOAD_TOO_LARGE", "Body too large"
    detail = "The body is larger than this server takes."


class UnsupportedMediaType(FairboardError):
    """A body that does not say it is JSON."""

    status, code, title = 415, "UNSUPPORTED_MEDIA_TYPE", "Not JSON"
    detail = "Send the body as `Content-Type: application/json`."


class RateLimitExceeded(FairboardError):
    """Too many calls in one of the sliding windows. The refused call does not count."""

    status, code, title = 429, "RATE_LIMIT_EXCEEDED", "Too many requests"
    detail = "Too many requests; wait as long as Retry-After says."


class InternalError(FairboardError):
    """A mistake of ours. Rolled back."""


class ServiceUnavailable(FairboardError):
    """A dependency is away. What was asked may have been done: the same action token tells."""

    status, code, title = 503, "SERVICE_UNAVAILABLE", "Temporarily unavailable"
    detail = "A part of this service does not answer right now. Try again, with the same action token if there is one."

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        """A second is enough for most outages to be noticed and mended."""
        super().__init__(detail, retry_after=retry_after)


class Crowded(ServiceUnavailable):
    """Too many came at once. For clients the same; for alerts not, because nothing is away."""


def _subclasses(root: type[FairboardError]) -> list[type[FairboardError]]:
    return [root, *root.__subclasses__()]


ALL_ERRORS: dict[str, type[FairboardError]] = {error.code: error for error in _subclasses(FairboardError)}
"""Every documented error by its code."""
