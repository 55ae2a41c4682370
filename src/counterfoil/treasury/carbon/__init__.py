"""Carbon: grams that agents emit by the energy they use, by the source's intensities, and credits that are bought and retired."""
