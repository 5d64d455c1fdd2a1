"""Results that were moved, stored or made on several machines: are they whole, and what the study asks for?"""
