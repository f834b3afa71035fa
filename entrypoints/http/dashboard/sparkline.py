from collections.abc import Sequence

from markupsafe import Markup

_HEIGHT = 28
_BAR = 6
_GAP = 2


def sparkline(values: Sequence[int], label: str) -> Markup:
    """Draw small bars, one for each number, with words for those who do not see them."""
    highest = max([*values, 1])
    bars = Markup("").join(
        Markup('<rect x="{}" y="{}" width="{}" height="{}" rx="1"/>').format(
            place * (_BAR + _GAP), _HEIGHT - height, _BAR, height
        )
        for place, height in enumerate(_heights(values, highest))
    )
    width = len(values) * (_BAR + _GAP) - _GAP
    return Markup(
        '<svg class="spark" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">{}</svg>'
    ).format(label, width, _HEIGHT, width, _HEIGHT, bars)


def _heights(values: Sequence[int], highest: int) -> list[int]:
    """Scale to the highest; what is not nothing is seen, and nothing is a line."""
    return [max(round(value / highest * _HEIGHT), 3) if value else 1 for value in values]
