"""Pictures that people attach: decoded within limits and written anew.

What is kept is JPEG or PNG, which every provider takes, upright, at most SIDE pixels a side, and
without anything else that was in the file: where it was taken, with what, comments, other frames.
"""

import io
import threading
from dataclasses import dataclass
from typing import BinaryIO

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

MAX_BYTES = 20 * 1024**2
MAX_PIXELS = 50_000_000
# Providers make larger ones smaller; Anthropic refuses more than 5 MB as base64.
SIDE = 2048
KEPT_MAX_BYTES = 3_500_000
SMALL_SIDE = 320
FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
# The beginnings that make a file a picture; what follows has to be one, then.
MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")
# A large picture takes some hundred MB while it is decoded: one after the other.
DECODING = threading.Lock()
WRONG = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Prepared:
    content: bytes
    media_type: str
    width: int
    height: int
    small: bytes


def is_picture(head: bytes) -> bool:
    return head.startswith(MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def prepared(file: BinaryIO) -> Prepared:
    """Raises ValidationError for what is broken or has too many pixels."""
    try:
        with DECODING, Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValidationError(
                    _("The image has more than %(count)d megapixels.")
                    % {"count": MAX_PIXELS // 10**6}
                )
            is_photo = image.format in ("JPEG", "WEBP")
            return _rewritten(image, is_photo=is_photo)
    except WRONG as error:
        raise ValidationError(_("The image is damaged and cannot be read.")) from error


def _rewritten(image: Image.Image, *, is_photo: bool) -> Prepared:
    if image.mode in ("1", "P"):  # made smaller as it is, a picture with a palette looks torn
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((SIDE, SIDE))
    upright = ImageOps.exif_transpose(image)
    clean = _without_alpha_if_opaque(upright)
    clean.info = {}
    content, media_type = _encoded(clean, is_photo=is_photo)
    small = clean.copy()
    small.thumbnail((SMALL_SIDE, SMALL_SIDE))
    return Prepared(content, media_type, *clean.size, _saved(small, "WEBP", quality=80))


def _without_alpha_if_opaque(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    with_alpha = image.convert("RGBA")
    lowest, _highest = with_alpha.getchannel("A").getextrema()
    return with_alpha.convert("RGB") if lowest == 255 else with_alpha


def _encoded(image: Image.Image, *, is_photo: bool) -> tuple[bytes, str]:
    if image.mode == "RGBA" or not is_photo:
        content = _saved(image, "PNG")
        if len(content) <= KEPT_MAX_BYTES:
            return content, "image/png"
    for quality in (88, 75, 50):
        content = _saved(_on_white(image), "JPEG", quality=quality)
        if len(content) <= KEPT_MAX_BYTES:
            break
    return content, "image/jpeg"


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    ground = Image.new("RGB", image.size, WHITE)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _saved(image: Image.Image, kind: str, **options: int) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()
