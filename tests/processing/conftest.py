"""Users that the tests of this app need."""

import pytest
from django.contrib.auth.models import Permission, User


@pytest.fixture
def viewer(db: None) -> User:
    """A staff user who may see everything of this app and change nothing."""
    user = User.objects.create_user("viewer", password="correct horse battery", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="processing", codename__startswith="view_")
    )
    return user
