"""Writes the demo's table deck: drive current and inverter delay of a MOSFET by the alpha-power law, with measurement noise.

Source of the formulas: T. Sakurai, A. R. Newton, "Alpha-power law MOSFET model and its applications to CMOS inverter delay and
other formulas", IEEE Journal of Solid-State Circuits 25(2), 1990. With T in kelvin:

    threshold(T) = threshold - 0.8 mV/K (T - 298)
    drive        = 60 uA (width / length) (T / 298)^-1.5 ((supply - threshold(T)) / 1 V)^1.3
    delay        = (1/2 - (1 - threshold(T) / supply) / (1 + 1.3)) 20 ps + 10 fF supply / (2 drive)

Both responses are multiplied by 1 + 0.01 g, g from the normal distribution. A few rows lie outside of the kit's design space
(supply - threshold below 0.3 V): the design step has something to reject. The same call writes the same file.
"""

import csv
import math
import random
import sys
from pathlib import Path

ROWS = 400
SEED = 20240611
ALPHA = 1.3
NOISE = 0.01
TEMPERATURES_C = (-40, 0, 25, 85, 125)
HEADER = ("width_um", "length_nm", "supply_v", "threshold_v", "temperature_c", "drive_ua", "delay_ps")


def responses(
    width_um: float, length_nm: float, supply_v: float, threshold_v: float, temperature_c: float
) -> tuple[float, float]:
    """Drive current in uA and delay in ps, without noise."""
    kelvin = temperature_c + 273.0
    threshold = threshold_v - 0.8e-3 * (kelvin - 298.0)
    ratio = width_um / (length_nm * 1e-3)
    drive_ua = 60.0 * ratio * (kelvin / 298.0) ** -1.5 * (supply_v - threshold) ** ALPHA
    transition_ps = (0.5 - (1.0 - threshold / supply_v) / (1.0 + ALPHA)) * 20.0
    # fF V / uA is ns.
    return drive_ua, transition_ps + 1e3 * 10.0 * supply_v / (2.0 * drive_ua)


def write(path: Path) -> None:
    """Write the table to `path`."""
    chance = random.Random(SEED)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for _ in range(ROWS):
            inputs = (
                round(math.exp(chance.uniform(math.log(0.2), math.log(5.0))), 3),
                round(math.exp(chance.uniform(math.log(30.0), math.log(200.0))), 1),
                round(chance.uniform(0.7, 1.2), 3),
                round(chance.uniform(0.2, 0.45), 3),
                chance.choice(TEMPERATURES_C),
            )
            measured = (value * (1.0 + NOISE * chance.gauss(0.0, 1.0)) for value in responses(*inputs))
            writer.writerow([*inputs, *(f"{value:.5g}" for value in measured)])


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "decks" / "table" / "mosfet.csv")
