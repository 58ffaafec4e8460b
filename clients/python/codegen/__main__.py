"""Generate from the checkout: `python -m codegen`, in the directory of the distribution."""

from codegen.generate import generate

generate()
