"""What training tells the person who started it."""


class ConfigurationError(Exception):
    """The configuration cannot be used; the text says which key, which value and which rule."""


class TrainingError(Exception):
    """Training cannot begin or go on; the text says what was found and what to do."""


class Stopped(TrainingError):
    """Somebody ended the training before its time; the text says how to go on."""
