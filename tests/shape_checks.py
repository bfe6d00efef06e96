"""The checker of types and shapes that `conftest.py` hangs on every signature."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int serves where a float is asked
