"""Works out how to start a pod's containers: reads what they refer to, makes folders and variables.

The rules are in `environment.py`, `volumes.py` and `paths.py`; here they meet the API server, the
image table and the disk. It starts nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.errors import NotFound
from tidegate.kube.objects import namespace_of
from tidegate.kube.resources import CONFIGMAPS, PVCS, SECRETS, SERVICES
from tidegate.local.node import environment, volumes
from tidegate.local.node.isolation import (
    Isolation,
    Permissions,
    Sandbox,
    hides,
    needed_paths,
    ports_of,
    wants_network,
)
from tidegate.local.node.paths import Mount, PathRewriter
from tidegate.local.node.refusals import ConfigProblem, ImageProblem
from tidegate.local.node.surroundings import Launch, PodPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object
    from tidegate.local.node.environment import SourceKey, Sources
    from tidegate.local.node.images import ImageEnvironment, Images

type TokenFor = Callable[[str, str, str], str]
"""Returns a token of a service account: namespace, name, audience (empty for the API itself)."""
type KubeconfigFor = Callable[[str, str], Path]
"""Returns the kubeconfig file of a service account: namespace and name."""

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TERMINATION_LOG = "/dev/termination-log"


@dataclass(slots=True)
class Preparation:
    """Prepares the containers of one pod. `claims` is where its namespace's claims lie."""

    client: Client
    images: Images
    pod: Object
    place: PodPlace
    claims: Path
    address: str
    machine: Mapping[str, float]
    kubeconfig_for: KubeconfigFor | None = None
    token_for: TokenFor | None = None
    permissions: Permissions = field(default_factory=Permissions)
    folders: dict[str, Path] = field(default_factory=dict)
    sandbox: Sandbox | None = None

    async def make_volumes(self) -> None:
        """Make the pod's volumes. Raises ConfigProblem when something is missing, KubeError."""
        namespace = namespace_of(self.pod)
        for claim in volumes.needed_claims(self.pod):
            try:
                await self.client.get(PVCS, claim, namespace=namespace)
            except NotFound as error:
                raise ConfigProblem(f'persistentvolumeclaim "{claim}" not found') from error
        sources = await self._sources(volumes.needed_sources(self.pod))
        self.folders = await asyncio.to_thread(
            volumes.make,
            self.pod,
            places=volumes.Places(pod=self.place.folder, claims=self.claims),
            sources=sources,
            address=self.address,
            tokens=self._tokens(),
        )

    def _tokens(self) -> dict[str, str]:
        if self.token_for is None:
            return {}
        namespace, account = namespace_of(self.pod) or "", self._account()
        wanted = volumes.needed_tokens(self.pod)
        return {audience: self.token_for(namespace, account, audience) for audience in wanted}

    def _account(self) -> str:
        return str(self.pod["spec"].get("serviceAccountName") or "default")

    async def container(self, spec: Mapping[str, Any]) -> Launch:
        """Return how to start a container.

        Raises ImageProblem, ConfigProblem, NetworkProblem, KubeError.
        """
        image = self._image(spec)
        sources = await self._sources(environment.needed_sources(spec))
        base = await self._base(spec, image)
        declared = environment.declared(
            spec, self.pod, base=base, sources=sources, address=self.address
        )
        command = environment.command_line(spec, {**base, **declared})
        mounts = volumes.mounts_of(spec, self.folders, variables={**base, **declared})
        log = self._termination_log(spec)
        isolation = await self._isolation(spec, image, mounts=mounts, env=base)
        outside = PathRewriter([*mounts, log]).rewrite
        inside = PathRewriter([log]).rewrite if isolation.mounts else outside
        folder = self.place.container(spec["name"]).folder
        # our own folder is a real path already, whatever is mounted above it (an emptyDir at /tmp)
        named = spec.get("workingDir")
        with contextlib.suppress(OSError):
            # As a kubelet does. Where it is not allowed, the start says that it is missing.
            there = folder / outside(str(named)) if named else folder
            await asyncio.to_thread(there.mkdir, parents=True, exist_ok=True)
        return Launch(
            command=[inside(word) for word in command],
            env=base | {name: inside(value) for name, value in declared.items()},
            directory=folder / inside(str(named)) if named else folder,
            rewrite=inside,
            outside=outside,
            isolation=isolation,
        )

    async def _isolation(
        self,
        spec: Mapping[str, Any],
        image: ImageEnvironment,
        *,
        mounts: list[Mount],
        env: Mapping[str, str],
    ) -> Isolation:
        """The pod's network if it has one; real mounts where permitted, if they hide nothing."""
        network = 0
        is_main = any(each["name"] == spec["name"] for each in self.pod["spec"]["containers"])
        if is_main and wants_network(self.pod, by_image=image.own_network):
            if self.sandbox is None:
                self.sandbox = Sandbox(self.address, ports_of(self.pod))
            network = await self.sandbox.owner()
        place = self.place.container(spec["name"])
        needed = needed_paths(env, [str(place.folder), *image.path])
        if not mounts or hides(mounts, needed) or not await self.permissions.may_mount():
            return Isolation(network=network)
        return Isolation(tuple(mounts), network, str(place.root))

    async def close(self) -> None:
        """Give back what the pod held beside its files."""
        if self.sandbox is not None:
            await self.sandbox.close()

    def _image(self, spec: Mapping[str, Any]) -> ImageEnvironment:
        image = str(spec.get("image") or "")
        found = self.images.lookup(image)
        if found is None:
            table = self.images.describe()
            raise ImageProblem(f'image "{image}" cannot be had: {table}')
        return found

    def _termination_log(self, spec: Mapping[str, Any]) -> Mount:
        path = str(spec.get("terminationMessagePath") or _TERMINATION_LOG)
        return Mount(path, str(self.place.container(spec["name"]).termination_message))

    async def _base(self, spec: Mapping[str, Any], image: ImageEnvironment) -> dict[str, str]:
        """What a container gets unasked. Nothing of this process's own environment is passed on."""
        place = self.place.container(spec["name"])
        found = {
            "PATH": ":".join([*image.path, _SYSTEM_PATH]),
            "HOME": str(place.folder),
            "TMPDIR": str(place.temporary),
            "LANG": "C.UTF-8",
            "HOSTNAME": self.pod["spec"].get("hostname") or self.pod["metadata"]["name"],
            "POD_IP": self.address,
        }
        if self.pod["spec"].get("enableServiceLinks", True):
            services = await self.client.list(SERVICES, namespace=namespace_of(self.pod))
            found |= environment.service_variables(services.items)
        if image.api_access and self.kubeconfig_for is not None:
            namespace = namespace_of(self.pod) or ""
            found["KUBECONFIG"] = str(self.kubeconfig_for(namespace, self._account()))
        return {**found, **image.env}

    async def _sources(self, needed: Iterable[SourceKey]) -> Sources:
        found: dict[SourceKey, dict[str, bytes]] = {}
        for kind, name in needed:
            res = CONFIGMAPS if kind == environment.CONFIG_MAP else SECRETS
            try:
                obj = await self.client.get(res, name, namespace=namespace_of(self.pod))
            except NotFound:
                continue
            found[kind, name] = environment.content_of(obj, kind)
        return environment.Sources(found=found, machine=self.machine)
