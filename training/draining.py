"""Emptying a machine, and giving it work again."""

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest

from accounts.models import User
from accounts.services import audit
from training import dispatch
from training.models import Node


def set_draining(
    *, node: Node, actor: User, draining: bool, request: HttpRequest | None = None
) -> bool:
    """What runs there goes on; nothing new begins. False if it was so already. Raises
    PermissionDenied."""
    if not actor.is_admin:
        raise PermissionDenied
    with transaction.atomic():
        rows = Node.objects.filter(pk=node.pk).exclude(is_draining=draining)
        if not rows.update(is_draining=draining):
            return False
        action = "node.drain" if draining else "node.undrain"
        audit(actor=actor, action=action, target=node, request=request)
        if not draining:
            dispatch.look_at_queue()
    return True
