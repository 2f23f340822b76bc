"""The revision that this version of the code was written for."""

from alembic.config import Config
from alembic.script import ScriptDirectory

from db.revisions import SCRIPTS, newest


def test_the_newest_revision_is_the_head_of_alembic() -> None:
    """A file whose name does not begin with its revision, or a second head, would be found here."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    assert newest() == ScriptDirectory.from_config(config).get_current_head()
