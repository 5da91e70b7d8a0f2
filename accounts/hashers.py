"""Password hashing for the test suite only: the real algorithm with the least work."""

from django.contrib.auth.hashers import BCryptSHA256PasswordHasher


class FastBCryptHasher(BCryptSHA256PasswordHasher):
    rounds = 4
