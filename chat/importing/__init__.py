"""Chats from elsewhere: read (elements), understood (sources), written (storing), told (work)."""
