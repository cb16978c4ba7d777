"""The exercise: a synthetic region, an incident as data, simulated partners, and the scorecard.

Its pure half (scenario, region, demand, truth, competitors, bound, scoring, scorecard_page) takes
values and returns values. Everything there is drawn from stable keys and a seed, so that nothing
depends on the order in which things arrive.
"""
