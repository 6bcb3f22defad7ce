"""The load generator: drives any store from several processes, and explains everything they saw.

    PYTHONPATH=tests python -m load sqlite:/tmp/load.db --processes 4 --seconds 10

Each process writes down what it asked, what it was told, and when by a clock that all processes share. The checker then
looks for an order of all operations that explains every answer: `check.py`.
"""
