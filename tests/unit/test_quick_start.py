"""Which endpoints a quick start never calls, by what they are called."""

import pytest

from domain.endpoint import Endpoint, Method
from domain.quick_start import ends_something


def endpoint(path: str, operation_id: str = "") -> Endpoint:
    return Endpoint(method=Method.GET, path=path, operation_id=operation_id)


@pytest.mark.parametrize(
    "path",
    [
        "/logout",
        "/api/v1/Logout/",
        "/signout",
        "/log-out",
        "/sign_out",
        "/auth/signOff",
        "/log/out",
        "/user.logout",
        "/logout-all",
        "/session/end",
        "/sessions/{id}/terminate",
        "/connect/endsession",
        "/token/revoke",
        "/items/{id}/delete",
        "/newsletter/unsubscribe",
        "/actuator/shutdown",
        "/logoutall",
        "/LOGOUTALL",
        "/signouts",
        "/deleteall",
        "/cart/remove",
        "/cache/clear",
        "/me/deactivate",
        "/account/close",
        "/jobs/{id}/cancel",
        "/server/restart",
        "/reboot",
        "/users/expire",
    ],
)
def test_what_ends_something_by_its_path(path: str) -> None:
    assert ends_something(endpoint(path))


@pytest.mark.parametrize(
    "name",
    ["logoutUser", "user_sign_out", "endSession", "UserLogOut", "LOGOUT", "APILogout", "dologout", "removeUser", "clearAll"],
)
def test_what_ends_something_by_its_operation_id(name: str) -> None:
    assert ends_something(endpoint("/x", name))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/catalog/outdoor", "listCatalogOutdoor"),
        ("/blog/outlook", "readBlog"),
        ("/sessions", "listSessions"),
        ("/sessions/{start}/{end}", "sessionsBetween"),
        ("/deleted-items", "findDeleted"),
        ("/assignment/offers", "signs"),
        ("/weekend", "weekends"),
        ("/stops/{stop}", "listStops"),
        ("/closest", "findClosest"),
    ],
)
def test_what_only_sounds_alike_may_be_called(path: str, name: str) -> None:
    assert not ends_something(endpoint(path, name))
