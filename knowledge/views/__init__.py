"""Pages of knowledge bases: the bases, their documents, trying a search, its quality."""
