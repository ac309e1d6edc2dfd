"""A housing table as an office would hand it over: semicolons, decimal commas, words, gaps, an identifier, a date."""

import numpy as np

__all__ = ["write_houses"]

DISTRICTS = ("Altstadt", "Hafen", "Nordend", "Süd")
HEATINGS = ("gas", "oil", "district heating")


def write_houses(path, rows=400, seed=0, *, priced=True):
    """Write the table; returns the prices (n,), in thousands. Latin-1, as spreadsheets in Europe write it."""
    rng = np.random.default_rng(seed)
    area, rooms, year = rng.normal(110, 30, rows).round(1), rng.integers(1, 7, rows), rng.integers(1900, 2020, rows)
    district, heating = rng.integers(0, 4, rows), rng.integers(0, 3, rows)
    price = (
        2.1 * area + 9 * rooms + 0.2 * (year - 1950) + np.array([60, 0, 25, -30])[district] + rng.normal(0, 15, rows)
    )
    comma = lambda value: f"{value:.1f}".replace(".", ",")
    head = ["id", "sold", "size", "rooms", "year", "district", "heating", "garden", *(["price"] if priced else [])]
    lines = [";".join(head)]
    for i in range(rows):
        cells = [f"H-{i:04d}", f"{1 + i % 28:02d}.{1 + i % 12:02d}.2024", comma(area[i]), str(rooms[i]), str(year[i])]
        cells += [DISTRICTS[district[i]], HEATINGS[heating[i]], str(bool(i % 2))]
        if rng.random() < 0.05:
            cells[2] = ""
        if rng.random() < 0.04:
            cells[6] = "n/a"
        if priced:
            cells.append("" if rng.random() < 0.02 else comma(price[i]))
        lines.append(";".join(cells))
    path.write_text("\n".join(lines) + "\n", encoding="latin-1")
    return price
