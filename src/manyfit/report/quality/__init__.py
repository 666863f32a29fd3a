"""Named rules that results are held to: is everything there, and can it be believed?"""
