"""The five claims of Kaiser & Kollmann (arXiv 2603.13419), judged from a study's tables; a module per claim."""
