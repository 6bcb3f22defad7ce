from importlib.metadata import version

import strongroom


def test_the_native_part_and_the_package_carry_the_same_version() -> None:
    assert strongroom.__version__ == version("strongroom")
