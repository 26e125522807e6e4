"""The rules by name, and the options that belong to one of them."""

import functools

from keras_patchdpm import _checks
from keras_patchdpm.samplers import rules
from keras_patchdpm.samplers.sampler import Rule

RULES = {
    "ddpm": Rule(rules.ddpm),
    "ddim": Rule(rules.ddim),
    "dpmpp_2m": Rule(rules.dpmpp_2m, remembers=True),
    "dpmpp_2m_sde": Rule(rules.dpmpp_2m_sde, remembers=True),
    "heun": Rule(rules.ddim, correction=rules.heun_correction),
}
OPTIONS = {  # Whose each is, and what it is if it is not given.
    "eta": ("ddim", 0.0),
    "variance": ("ddpm", "small"),
    "churn": ("heun", 0.0),
}


def named_rule(name, options, schedule, steps):
    """The rule of a name, with its options.

    Args:
        name: Key of `RULES`.
        options: Dict with a value for each of `OPTIONS`.
        schedule: Of the model.
        steps: Positive int.

    Raises:
        ValueError: If there is no such rule, or an option is out of range, is another
            rule's, or needs another schedule.
    """
    _checks.one_of("rule", name, RULES)
    _checks.real("eta", options["eta"], 0, 1)
    _checks.one_of("variance", options["variance"], ("small", "large"))
    _checks.real("churn", options["churn"], 0)
    own = {}
    for option, (owner, default) in OPTIONS.items():
        value = options[option]
        if owner == name:
            own[option] = value
        elif value != default:
            raise ValueError(
                f"`{option}` belongs to the rule {owner!r}. Leave it out, or choose "
                f"that rule. Received: rule={name!r}, {option}={value!r}."
            )
    rule, churn = RULES[name], own.pop("churn", 0.0)
    return rule._replace(
        weights=functools.partial(rule.weights, **own),
        churn=_churn(churn, schedule, steps) if churn else None,
    )


def _churn(amount, schedule, steps):
    """`rules.churn`, with its options."""
    if "float" not in schedule.level_dtype:
        raise ValueError(
            "`churn` needs levels between those of the steps, which a process of "
            f"timesteps has not. Choose an `EDMSchedule`. Received: churn={amount} "
            f"with a {type(schedule).__name__}."
        )
    return functools.partial(
        rules.churn, level=schedule.level, amount=amount, steps=steps
    )
