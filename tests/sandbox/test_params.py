"""Every request's parameters are held against stripe-python's typed parameters."""

import pytest

from sandbox import errors, params


def refusal(name: str | None, decoded: dict[str, object]) -> errors.StripeError:
    with pytest.raises(errors.StripeError) as caught:
        params.validate(name, decoded)
    return caught.value


def test_values_of_a_form_arrive_as_numbers_and_booleans():
    decoded = {"customer": "cus_1", "items": [{"price": "price_1", "quantity": "2"}], "cancel_at_period_end": "true"}

    read = params.validate("SubscriptionCreateParams", decoded)

    assert read == {"customer": "cus_1", "items": [{"price": "price_1", "quantity": 2}], "cancel_at_period_end": True}


def test_an_unknown_parameter_is_named_with_its_brackets():
    decoded = {"customer": "cus_1", "items": [{"price": "price_1", "colour": "red"}]}

    error = refusal("SubscriptionCreateParams", decoded)

    assert (error.status, error.code, error.param) == (400, "parameter_unknown", "items[0][colour]")
    assert error.message == "Received unknown parameter: items[0][colour]"


def test_an_unknown_parameter_is_said_before_a_wrong_type():
    decoded = {"zone": "A", "unit_amount": "much"}

    error = refusal("PriceCreateParams", decoded)

    assert error.param == "zone"


@pytest.mark.parametrize("text", ["x", "1.5", "", "1e3", " 1"])
def test_a_number_is_nothing_but_digits(text):
    decoded = {"currency": "usd", "unit_amount": text}

    error = refusal("PriceCreateParams", decoded)

    assert (error.code, error.param) == ("parameter_invalid_integer", "unit_amount")


def test_a_missing_parameter_is_named():
    decoded = {"unit_amount": "100"}

    error = refusal("PriceCreateParams", decoded)

    assert (error.code, error.param) == ("parameter_missing", "currency")


def test_a_word_outside_the_list_is_refused_with_the_list():
    decoded = {"collection_method": "barter"}

    error = refusal("SubscriptionCreateParams", decoded)

    assert error.message == "Invalid collection_method: must be one of charge_automatically or send_invoice"


def test_a_boolean_is_true_or_false_and_nothing_else():
    decoded = {"cancel_at_period_end": "yes"}

    error = refusal("SubscriptionModifyParams", decoded)

    assert (error.status, error.param) == (400, "cancel_at_period_end")


def test_an_empty_string_unsets_only_what_can_be_unset():
    cleared = params.validate("SubscriptionModifyParams", {"cancel_at": "", "metadata": {"a": ""}, "description": ""})

    error = refusal("SubscriptionModifyParams", {"default_payment_method": ""})

    assert cleared == {"cancel_at": "", "metadata": {"a": ""}, "description": ""}
    assert (error.code, error.param) == ("parameter_invalid_empty", "default_payment_method")


@pytest.mark.parametrize(
    ("given", "read"),
    [("now", "now"), ("1767225600", 1767225600)],
)
def test_a_parameter_of_two_types_takes_either(given, read):
    decoded = {"trial_end": given}

    assert params.validate("SubscriptionModifyParams", decoded) == {"trial_end": read}


def test_the_clients_own_options_are_no_parameters():
    decoded = {"api_key": "sk_test_1"}

    error = refusal("CustomerListParams", decoded)

    assert error.code == "parameter_unknown"


def test_a_text_where_an_object_belongs_is_refused():
    decoded = {"created": {"gte": "5", "later": "6"}}

    unknown = refusal("CustomerListParams", decoded)
    misplaced = refusal("SubscriptionCreateParams", {"items": "price_1"})

    assert unknown.param == "created[later]"
    assert (misplaced.message, misplaced.param) == ("Invalid array", "items")


def test_a_decimal_keeps_its_digits():
    decoded = {"currency": "usd", "unit_amount_decimal": "0.123456789012"}

    assert params.validate("PriceCreateParams", decoded)["unit_amount_decimal"] == "0.123456789012"


def test_a_route_without_parameters_takes_expand_alone():
    assert params.validate(None, {"expand": ["customer"]}) == {"expand": ["customer"]}

    assert refusal(None, {"limit": "3"}).code == "parameter_unknown"
