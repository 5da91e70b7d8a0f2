from accounts.admin.audit import AuditEventAdmin
from accounts.admin.keys import ApiKeyAdmin, AuthSessionAdmin
from accounts.admin.platform import PlatformSettingsAdmin
from accounts.admin.users import UserAdmin

__all__ = [
    "ApiKeyAdmin",
    "AuditEventAdmin",
    "AuthSessionAdmin",
    "PlatformSettingsAdmin",
    "UserAdmin",
]
