from hypothesis import HealthCheck, settings

# The same examples in every run, and no verdict on how fast a busy machine is.
settings.register_profile(
    "service_server", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("service_server")
