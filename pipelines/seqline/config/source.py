"""Installed plugins as Hydra's configuration groups: listing imports nothing, selecting one one."""

from __future__ import annotations

from typing import Any

from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqline.config.nested import without
from seqline_plugins.discovery import GROUPS, RESERVED, installed, load
from seqline_plugins.errors import PluginError
from seqline_plugins.options import INHERIT, slots


class PluginSource(ConfigSource):
    """Serves `cell/lstm` as the options of the cell that is installed under that name.

    The node is the plugin's `Config` with its name; every slot in it becomes an entry of the
    defaults list, so that `cell@architecture.cell=gru` chooses there.
    """

    @staticmethod
    def scheme() -> str:
        """Return the scheme of the search path's entry, `plugins://installed`."""
        return "plugins"

    def available(self) -> bool:
        """Say that the source is there; it may be empty."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Say whether a path is one of the groups that plugins fill."""
        return config_path.rstrip("/") in GROUPS

    def is_config(self, config_path: str) -> bool:
        """Say whether a path is an installed plugin, from metadata alone."""
        kind, _, name = config_path.removesuffix(".yaml").partition("/")
        return kind in GROUPS and (name == INHERIT or name in installed(kind))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the groups, or a group's plugins, from metadata alone."""
        if config_path.strip("/") == "":
            return [] if results_filter is ObjectType.CONFIG else sorted(GROUPS)
        kind = config_path.rstrip("/")
        return [] if results_filter is ObjectType.GROUP else list(installed(kind))

    def load_config(self, config_path: str) -> ConfigResult:
        """Import one plugin and return its options; raises `PluginError` if it is broken."""
        kind, _, name = config_path.removesuffix(".yaml").partition("/")
        if not self.is_config(config_path):
            raise ConfigLoadError(f"no plugin {config_path}")
        node = {RESERVED: INHERIT} if name == INHERIT else options_node(kind, name)
        return ConfigResult(
            provider=self.provider,
            path=f"{self.scheme()}://{self.path}",
            config=OmegaConf.create(node),
            header={"package": None},
        )


def options_node(kind: str, name: str) -> dict[str, Any]:
    """Return a plugin's options with their defaults, its slots in the defaults list."""
    config = load(kind, name).Config
    places = slots(config)
    try:
        defaults = OmegaConf.to_container(OmegaConf.structured(config))
    except (OmegaConfBaseException, NameError, TypeError, ValueError) as error:
        said = str(error).splitlines()[0]
        reason = f"its Config cannot be read: {said}"
        raise PluginError(reason, group=GROUPS[kind], name=name) from error
    node: dict[str, Any] = {RESERVED: name, **without(defaults, places)}
    if places:
        choices = [{f"/{group}@{place}": INHERIT} for place, group in places.items()]
        node["defaults"] = [*choices, "_self_"]
    return node


def register() -> None:
    """Make Hydra know the source; calling it again changes nothing."""
    Plugins.instance().register(PluginSource)
