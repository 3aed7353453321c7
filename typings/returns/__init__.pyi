# The rest of the package is looked up where it is installed: this line is what the four checkers
# understand in common.
__path__ = __import__("pkgutil").extend_path(__path__, __name__)
