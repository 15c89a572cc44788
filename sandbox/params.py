"""What a request may say: its parameters held against the typed parameters that stripe-python ships."""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import cache, reduce
from importlib import import_module
from operator import or_
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin

from pydantic import BeforeValidator, ConfigDict, Discriminator, Tag, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict, get_type_hints, is_typeddict

from sandbox import errors

# The parts of stripe's classes that its client reads itself and never sends.
CLIENT_OPTIONS = {
    *("api_key", "idempotency_key", "content_type", "headers"),
    *("stripe_version", "stripe_account", "stripe_context", "max_network_retries"),
}
EXPAND_ONLY = TypedDict("EXPAND_ONLY", {"expand": NotRequired[list[str]]})  # noqa: UP013
# A type checker knows only typed dicts that are spelled out.
MAKE: Any = TypedDict
# A tag of a union shows in pydantic's location of an error and must not show in Stripe's name of the parameter.
ARM = "arm:"
WHOLE_NUMBER = re.compile(r"-?\d+")


def validate(name: str | None, decoded: dict[str, Any]) -> dict[str, Any]:
    """Give the typed parameters of a request.

    `name` is a class of stripe.params ("SubscriptionCreateParams", "checkout.SessionCreateParams"); None takes
    `expand` alone. Raises Stripe's 400 for the first parameter that is unknown, absent or of a wrong type.
    """
    try:
        return dict(_adapter(name).validate_python(decoded))
    except ValidationError as error:
        raise _as_stripe_error(error) from None


@cache
def _adapter(name: str | None) -> TypeAdapter[dict[str, Any]]:
    return TypeAdapter(_closed(EXPAND_ONLY if name is None else _class_named(name)))


def _class_named(name: str) -> Any:
    space, _, bare = name.rpartition(".")
    return getattr(import_module(f"stripe.params.{space}" if space else "stripe.params"), bare)


@cache
def _closed(typed: Any) -> Any:
    """Make a twin of a typed dict that knows how values look in a form and takes no key beyond its own."""
    module = vars(import_module(typed.__module__))
    fields = {}
    for key, hint in typed.__annotations__.items():
        if key not in CLIENT_OPTIONS:
            resolved = get_type_hints(_holder(key, hint), globalns=module, include_extras=True)[key]
            origin: Any = get_origin(resolved)
            optional = origin is NotRequired
            form = _form(get_args(resolved)[0] if optional else resolved)
            fields[key] = NotRequired[form] if optional else form
    twin = MAKE(typed.__name__, fields)
    twin.__pydantic_config__ = ConfigDict(extra="forbid")
    return twin


def _holder(key: str, hint: Any) -> Any:
    # Resolving a typed dict whole fails on the client's own options, whose names exist for type checkers only.
    return type("Holder", (), {"__annotations__": {key: hint}})


def _form(hint: Any) -> Any:
    """Translate one annotation into what a form can carry."""
    if is_typeddict(hint):
        return _closed(hint)
    if hint in FROM_TEXT:
        return FROM_TEXT[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is list:
        return Annotated[list[_form(args[0])], BeforeValidator(_listed)]  # type: ignore[misc]
    if origin is dict:
        return dict[str, _metadata_value if args[1] is str else _form(args[1])]  # type: ignore[misc]
    if origin is Literal:
        return Annotated[str, BeforeValidator(_one_of(args))]
    return _union(args) if _is_union(hint) else Any


def _is_union(hint: Any) -> bool:
    return get_origin(hint) is Union or type(hint).__name__ == "UnionType"


def _union(members: tuple[Any, ...]) -> Any:
    """Let the look of a value choose the arm that judges it, so an error names one reason and not one per arm."""
    words = [word for member in members if get_origin(member) is Literal for word in get_args(member)]
    arms: dict[str, Any] = {}
    for member in members:
        name = _arm_of(member)
        if name and not (name == "text" and any(words)):
            arms.setdefault(name, _form(member))
    if any(words):
        arms["text"] = Annotated[str, BeforeValidator(_one_of(tuple(word for word in words if word)))]
    if "" in words:
        arms["empty"] = Annotated[str, BeforeValidator(lambda value: value)]
    if len(arms) == 1:
        return next(iter(arms.values()))
    tagged: list[Any] = [Annotated[form, Tag(ARM + name)] for name, form in arms.items()]
    return Annotated[reduce(or_, tagged), Discriminator(_chooser(arms, words))]


def _arm_of(member: Any) -> str | None:
    """Name the look of a value that this member of a union takes."""
    if get_origin(member) is Literal:
        return None
    if is_typeddict(member) or get_origin(member) is dict:
        return "mapping"
    if get_origin(member) is list:
        return "list"
    return {str: "text", int: "number", float: "number", Decimal: "number", bool: "truth"}.get(member)


def _chooser(arms: dict[str, Any], words: list[str]) -> Callable[[Any], str]:
    order = ["number", "truth", "text", "mapping", "list", "empty"]
    fallback = next(name for name in order if name in arms)

    def choose(value: Any) -> str:
        if value == "" and "empty" in arms:
            return ARM + "empty"
        return ARM + next((look for look in _looks_of(value, words) if look in arms), fallback)

    return choose


def _looks_of(text: Any, words: list[str]) -> list[str]:
    if not isinstance(text, str):
        return ["list"] if isinstance(text, list) else ["mapping", "list"]
    if text in words:
        return ["text"]
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return ["number", "text"]
    return ["truth", "text", "number"] if text in ("true", "false") else ["text", "number", "truth"]


def _one_of(words: tuple[Any, ...]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value in words:
            return value
        shown = " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
        raise PydanticCustomError("not_in_list", "Invalid {param}: must be one of {shown}", {"shown": shown})

    return check


def _integer(value: Any) -> Any:
    if isinstance(value, str) and WHOLE_NUMBER.fullmatch(value):
        return int(value)
    raise PydanticCustomError("parameter_invalid_integer", "Invalid integer: {value}", {"value": str(value)})


def _truth(value: Any) -> Any:
    if value in ("true", "false"):
        return value == "true"
    raise PydanticCustomError("not_a_boolean", "Invalid boolean: {value}", {"value": str(value)})


def _decimal(value: Any) -> Any:
    try:
        Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        message = "Invalid decimal: {value}; must contain at maximum 12 decimal places."
        raise PydanticCustomError("not_a_decimal", message, {"value": str(value)}) from None
    return value


def _float(value: Any) -> Any:
    return float(_decimal(value))


def _text(value: Any) -> Any:
    if value == "":
        raise PydanticCustomError("parameter_invalid_empty", "")
    if isinstance(value, str):
        return value
    raise PydanticCustomError("not_a_string", "Invalid string: {value}", {"value": str(value)})


def _listed(value: Any) -> Any:
    """Read a form's list, which may come numbered from any number on."""
    if isinstance(value, dict) and all(str(key).isdigit() for key in value):
        return [value[key] for key in sorted(value, key=int)]
    if isinstance(value, list):
        return value
    raise PydanticCustomError("not_a_list", "Invalid array")


_metadata_value = Annotated[str, BeforeValidator(lambda value: value if isinstance(value, str) else _text(value))]
FROM_TEXT: dict[Any, Any] = {
    str: Annotated[str, BeforeValidator(_text)],
    int: Annotated[int, BeforeValidator(_integer)],
    bool: Annotated[bool, BeforeValidator(_truth)],
    float: Annotated[float, BeforeValidator(_float)],
    # A decimal stays text, as Stripe sends it back; a float would lose digits.
    Decimal: Annotated[str, BeforeValidator(_decimal)],
}


def _as_stripe_error(error: ValidationError) -> errors.StripeError:
    found = error.errors(include_url=False)
    # Stripe speaks of unknown parameters before anything else.
    first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
    param = _param_name(first["loc"])
    kind = first["type"]
    if kind == "extra_forbidden":
        return errors.invalid(f"Received unknown parameter: {param}", param=param, code="parameter_unknown")
    if kind == "missing":
        return errors.invalid(f"Missing required param: {param}.", param=param, code="parameter_missing")
    if kind == "parameter_invalid_empty":
        return errors.invalid(_emptied(param), param=param, code=kind)
    if kind in ("dict_type", "model_attributes_type"):
        return errors.invalid("Invalid object", param=param)
    message = first["msg"].replace("{param}", param)
    return errors.invalid(message, param=param, code=kind if kind == "parameter_invalid_integer" else None)


def _emptied(param: str) -> str:
    return (
        f"You passed an empty string for '{param}'. We assume empty values are an attempt to unset a parameter; "
        f"however '{param}' cannot be unset. You should remove '{param}' from your request or supply a non-empty value."
    )


def _param_name(location: tuple[int | str, ...]) -> str:
    """Write pydantic's location of an error as Stripe names a parameter: items[0][price]."""
    parts = [str(part) for part in location if not str(part).startswith(ARM)]
    return parts[0] + "".join(f"[{part}]" for part in parts[1:])
