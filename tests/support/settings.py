from entrypoints.settings import Settings


def settings_of(**fields: object) -> Settings:
    """Return settings with these values, without a `.env` file."""
    aliases = {name: field.validation_alias or name for name, field in Settings.model_fields.items()}
    return Settings(_env_file=None, **{aliases[name]: value for name, value in fields.items()})
