from accounts.models.audit import AuditEvent
from accounts.models.limits import LIMITS, UserLimits
from accounts.models.notices import ChannelKind, Delivery, NoticeChannel, UserNotice
from accounts.models.platform import PlatformSettings, RegistrationMode
from accounts.models.tokens import ApiKey, AuthSession, RefreshToken
from accounts.models.user import Language, Role, Theme, User, UserManager, normal_email

__all__ = [
    "LIMITS",
    "ApiKey",
    "AuditEvent",
    "AuthSession",
    "ChannelKind",
    "Delivery",
    "Language",
    "NoticeChannel",
    "PlatformSettings",
    "RefreshToken",
    "RegistrationMode",
    "Role",
    "Theme",
    "User",
    "UserLimits",
    "UserManager",
    "UserNotice",
    "normal_email",
]
