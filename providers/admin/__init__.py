"""The admin pages of providers, pools, models, keys and usage: staff see states, services change them."""

from providers.admin import keys, models, pools, providers, records

__all__ = ["keys", "models", "pools", "providers", "records"]
