"""The double's routes and errors against botocore's own description of AWS IoT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from tests.support.awsiot.errors import STATUS
from tests.support.awsiot.routes_certificates import ROUTES as CERTIFICATES
from tests.support.awsiot.routes_policies import ROUTES as POLICIES
from tests.support.awsiot.routes_things import ROUTES as THINGS

if TYPE_CHECKING:
    from tests.support.awsiot.wire import Route

_IOT = ServiceModel(Loader().load_service_model("iot", "service-2"))
_READS = ("Describe", "Get", "List")


@pytest.mark.parametrize("route", [*THINGS, *CERTIFICATES, *POLICIES], ids=lambda route: route.operation)
def test_a_route_is_where_the_service_model_has_it(route: Route) -> None:
    """Method, path and the names of headers and query parameters are those of the service model."""
    operation = _IOT.operation_model(route.operation)
    assert (route.method, route.path) == (operation.http["method"], operation.http["requestUri"])
    assert operation.input_shape is not None
    placed = {
        member.serialization["name"].lower() if location == "header" else member.serialization["name"]: name
        for name, member in operation.input_shape.members.items()
        if (location := member.serialization.get("location")) in {"header", "querystring"}
    }
    assert route.renamed == {wire: name for wire, name in placed.items() if wire != name}
    assert route.mutating is not route.operation.startswith(_READS)


def test_errors_have_the_status_of_the_service_model() -> None:
    """Every error that AWS IoT's model lists has the HTTP status given there."""
    modelled = {shape.name: shape.metadata["error"]["httpStatusCode"] for shape in _IOT.error_shapes}
    known = STATUS.keys() & modelled.keys()
    assert len(known) == 12
    assert {code: STATUS[code] for code in known} == {code: modelled[code] for code in known}
