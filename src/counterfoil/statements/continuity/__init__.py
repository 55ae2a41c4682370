"""Do the statements of an account follow on?"""
