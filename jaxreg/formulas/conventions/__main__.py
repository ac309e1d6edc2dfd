"""``python -m jaxreg.formulas.conventions`` prints the table of all systems."""

from jaxreg.formulas.conventions.table import system_table

if __name__ == "__main__":
    print(system_table())
