from keras_patchdpm.samplers.sampler import sample
from keras_patchdpm.schedules.level import Level

LEVELS = [Level(0.1, 0.9, 30), Level(0.5, 0.8, 10), Level(1.0, 0.0)]


def rule(noisy, clean, noise, now, then):
    """Writes down what it was given."""
    return f"({noisy} {clean} {noise} {now.condition}>{then.condition})"


def test_walks_down_the_levels():
    seen = []
    result = sample(
        lambda noisy, level: f"D{level.condition}",
        "start",
        LEVELS,
        rule,
        noise=lambda step: f"z{step}",
        callback=lambda step, clean: seen.append((step, clean)),
    )
    assert result == "((start D30 z1 30>10) D10 z2 10>None)"
    assert seen == [(1, "D30"), (2, "D10")]


def test_a_rule_without_noise_is_given_none():
    result = sample(lambda noisy, level: "D", "start", LEVELS[:2], rule)
    assert result == "(start D None 30>10)"
