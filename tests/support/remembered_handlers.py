"""Remembers what the framework finds out about functions of handlers, because tests make many applications.

An application has 130 handlers. Most of the time to make it, its framework inspects their functions.
"""

from collections.abc import Callable, Hashable, Sequence
from inspect import unwrap
from typing import Any

from litestar._signature import SignatureModel
from litestar.utils.signature import ParsedSignature

_inspect: Callable[..., ParsedSignature] = ParsedSignature.from_fn
_make_model: Callable[..., type[SignatureModel]] = SignatureModel.create
_signatures: dict[Hashable, ParsedSignature] = {}
# With each model its signature, for the identity of which it is kept.
_models: dict[Hashable, tuple[ParsedSignature, type[SignatureModel]]] = {}


def remember_handlers() -> None:
    """Have this process inspect each function, and make the model of its parameters, once."""
    ParsedSignature.from_fn = _remembered_signature  # type: ignore[assignment, method-assign]
    SignatureModel.create = _remembered_model  # type: ignore[assignment, method-assign]


def _remembered_signature(function: Callable[..., Any], namespace: dict[str, Any]) -> ParsedSignature:
    # Each application has methods and inner functions of its own; their code is the same.
    place = (getattr(unwrap(function), "__code__", function), *namespace.items())
    if place not in _signatures:
        _signatures[place] = _inspect(function, namespace)
    return _signatures[place]


def _remembered_model(
    dependency_name_set: set[str],
    fn: Callable[..., Any],
    parsed_signature: ParsedSignature,
    type_decoders: Sequence[Any],
    data_dto: Any = None,
) -> type[SignatureModel]:
    # Each application makes its decoders anew, of the same types.
    types = tuple(is_type for is_type, _decode in type_decoders)
    place = (id(parsed_signature), frozenset(dependency_name_set), types, data_dto)
    if place not in _models:
        model = _make_model(dependency_name_set, fn, parsed_signature, type_decoders, data_dto)
        _models[place] = parsed_signature, model
    return _models[place][1]
