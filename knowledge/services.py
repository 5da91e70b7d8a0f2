"""What other apps ask of this one: the verbs of its modules, by the names that they keep."""

from knowledge.bases import create_base as create_base
from knowledge.documents import add_document as add_document
from knowledge.finding import find as find
from knowledge.remarks import told as told
from knowledge.supporting import unsupported as unsupported
