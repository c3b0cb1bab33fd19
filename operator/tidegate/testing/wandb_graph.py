"""The part of a W&B server's GraphQL API that clients need to find and fetch artifacts.

Documents are parsed, checked and executed against this schema, so a question for what no server has
is refused here as there. Types, fields and what may be null are those that W&B's own client asks
for and expects (version 0.31; `runInfo` from older ones).
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, build_schema, execute_sync, parse, validate
from graphql.error import GraphQLSyntaxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphql import GraphQLSchema

    from tidegate.testing.wandb import FakeWandb, Membership, Run, Version

type Node = dict[str, Any]

MANIFEST = "wandb_manifest.json"
CREATED = "2026-05-03T11:54:38Z"
RUN_INFO = "runInfo: RunInfo"
SCHEMA = """
scalar JSONString
scalar DateTime
enum ArtifactState { PENDING COMMITTED DELETED PENDING_DELETION GARBAGE_COLLECTED }
enum ArtifactDigestAlgorithm { MANIFEST_MD5 MANIFEST_XXH128 }
type Query {
  viewer: User
  serverInfo: ServerInfo
  entity(name: String): Entity
  project(name: String, entityName: String): Project
  artifact(id: ID!): Artifact
}
type ServerInfo { features: [ServerFeature] }
type ServerFeature { name: String! isEnabled: Boolean! }
type User {
  id: ID! entity: String username: String email: String flags: String name: String
  teams: EntityConnection organizations: [Organization!]!
}
type EntityConnection { edges: [EntityEdge!]! }
type EntityEdge { node: Entity }
type Entity { id: ID! name: String! organization: Organization user: User }
type Organization { name: String! orgEntity: Entity }
type Project {
  id: ID! internalId: ID! name: String! entity: Entity!
  artifactCollection(name: String!): ArtifactCollection
  artifactCollectionMembership(name: String!): ArtifactCollectionMembership
}
interface ArtifactCollection {
  id: ID! name: String! project: Project
  artifactMembership(aliasName: String!): ArtifactCollectionMembership
}
type ArtifactSequence implements ArtifactCollection {
  id: ID! name: String! project: Project
  artifactMembership(aliasName: String!): ArtifactCollectionMembership
}
type ArtifactPortfolio implements ArtifactCollection {
  id: ID! name: String! project: Project
  artifactMembership(aliasName: String!): ArtifactCollectionMembership
}
type ArtifactAlias { id: ID! alias: String! artifactCollection: ArtifactCollection }
type ArtifactCollectionMembership {
  id: ID! versionIndex: Int createdAt: DateTime! aliases: [ArtifactAlias!]!
  artifactCollection: ArtifactCollection artifact: Artifact
  files(names: [String!], after: String, first: Int): FileConnection
}
type ArtifactType { name: String! }
type Tag { id: ID! name: String! }
type Artifact {
  id: ID! artifactSequence: ArtifactSequence! versionIndex: Int artifactType: ArtifactType!
  description: String metadata: JSONString ttlDurationSeconds: Int! ttlIsInherited: Boolean!
  tags: [Tag!]! historyStep: Int state: ArtifactState! size: Int! digest: String!
  digestAlgorithm: ArtifactDigestAlgorithm commitHash: String fileCount: Int!
  createdAt: DateTime! updatedAt: DateTime aliases: [ArtifactAlias!]
  currentManifest: ArtifactManifest createdBy: Creator
}
union Creator = Run | User
type ArtifactManifest { file: File! }
type FileConnection { totalCount: Int pageInfo: PageInfo! edges: [FileEdge!]! }
type FileEdge { node: File }
type PageInfo { endCursor: String hasNextPage: Boolean! }
type File { id: ID! name: String! displayName: String! sizeBytes: Int! directUrl: String! }
type Run {
  id: ID! name: String! commit: String summaryMetrics: JSONString user: User project: Project
  runInfo: RunInfo
  inputArtifacts(first: Int, after: String): ArtifactConnection
}
type RunInfo { git: GitInfo }
type GitInfo { remote: String commit: String }
type ArtifactConnection { edges: [ArtifactEdge!]! }
type ArtifactEdge { node: Artifact }
"""


def answer(server: FakeWandb, question: Node) -> Node:
    """What the server answers to a question, `data` and `errors`."""
    schema = _schema(server.knows_run_info)
    try:
        document = parse(str(question.get("query", "")))
    except GraphQLSyntaxError as error:
        return {"errors": [error.formatted]}
    if errors := validate(schema, document):
        return {"errors": [error.formatted for error in errors]}
    done = execute_sync(
        schema, document, Graph(server).root(), variable_values=question.get("variables") or {}
    )
    return {**done.formatted}


@cache
def _schema(knows_run_info: bool) -> GraphQLSchema:
    return build_schema(SCHEMA if knows_run_info else SCHEMA.replace(RUN_INFO, ""))


class Graph:
    """The objects of a server as graphql-core walks them: what takes arguments is a function."""

    def __init__(self, server: FakeWandb) -> None:
        self._server = server

    def root(self) -> Node:
        """Where every question begins."""
        server = self._server
        features = {"ARTIFACT_DIGEST_ALGORITHM": server.says_algorithm}
        return {
            "viewer": self._user(server.user) if server.key else None,
            "serverInfo": {
                "features": [{"name": name, "isEnabled": on} for name, on in features.items()]
            },
            "entity": lambda _, name: self._entity(name),
            "project": lambda _, name, entityName: self._project(entityName, name),
            "artifact": lambda _, id: self._artifact(server.by_id(id)),
        }

    def _user(self, name: str) -> Node:
        return {
            "__typename": "User", "id": f"User:{name}", "name": name, "username": name,
            "entity": name, "email": f"{name}@acme.example", "flags": "{}", "teams": {"edges": []},
            "organizations": self._organizations(),
        }  # fmt: skip

    def _organizations(self) -> list[Node]:
        return [
            {"name": name, "orgEntity": {"id": entity, "name": entity}}
            for name, entity in self._server.organizations.items()
        ]

    def _entity(self, name: str) -> Node:
        user = self._user(name) if name == self._server.user else None
        return {"id": name, "name": name, "organization": None, "user": user}

    def _project(self, entity: str, project: str) -> Node | None:
        inside = [one for one in self._server.memberships if one.is_in(entity, project)]
        if not inside:
            return None

        def collection(_: object, name: str) -> Node | None:
            found = [one for one in inside if one.name == name]
            return self._collection(found[0]) if found else None

        def membership(_: object, name: str) -> Node | None:
            wanted, _, alias = name.partition(":")
            return self._membership(wanted, alias or "latest", inside)

        return {
            **self._names(inside[0].entity, inside[0].project),
            "artifactCollection": collection,
            "artifactCollectionMembership": membership,
        }

    def _names(self, entity: str, project: str) -> Node:
        whole = f"{entity}/{project}"
        return {"id": whole, "internalId": whole, "name": project, "entity": self._entity(entity)}

    def _collection(self, one: Membership) -> Node:
        inside = self._server.memberships

        def membership(_: object, aliasName: str) -> Node | None:
            same = [each for each in inside if each.is_in(one.entity, one.project)]
            return self._membership(one.name, aliasName, same)

        return {
            "__typename": "ArtifactPortfolio" if one.is_link else "ArtifactSequence",
            "id": f"{one.entity}/{one.project}/{one.name}",
            "name": one.name,
            "project": self._names(one.entity, one.project),
            "artifactMembership": membership,
        }

    def _membership(self, name: str, alias: str, inside: Sequence[Membership]) -> Node | None:
        for one in inside:
            if one.name == name and alias in (*one.aliases, f"v{one.index}"):
                return self._member(one)
        return None

    def _member(self, one: Membership) -> Node:
        return {
            "id": f"{one.entity}/{one.project}/{one.name}/{one.index}",
            "versionIndex": one.index,
            "createdAt": CREATED,
            "aliases": [{"id": alias, "alias": alias} for alias in one.aliases],
            "artifactCollection": self._collection(one),
            "artifact": self._artifact(one.version),
            "files": lambda _, names=None, after=None, first=None: self._files(
                one.version, names=names, after=after, first=first
            ),
        }

    def _artifact(self, one: Version | None) -> Node | None:
        if one is None:
            return None
        source = next(each for each in self._server.memberships if each.version is one)
        manifest = one.manifest
        return {
            "id": one.id, "artifactSequence": self._collection(source),
            "versionIndex": source.index, "artifactType": {"name": one.kind}, "description": None,
            "metadata": json.dumps(one.metadata), "ttlDurationSeconds": -2,
            "ttlIsInherited": True, "tags": [{"id": tag, "name": tag} for tag in one.tags],
            "historyStep": None, "state": one.state, "size": sum(map(len, one.files.values())),
            "digest": one.digest, "digestAlgorithm": f"MANIFEST_{one.algorithm}",
            "commitHash": one.digest, "fileCount": len(one.files), "createdAt": CREATED,
            "updatedAt": None, "aliases": [],
            "currentManifest": {"file": self._file(one, MANIFEST, len(manifest))},
            "createdBy": lambda _: self._creator(one),
        }  # fmt: skip

    def _creator(self, one: Version) -> Node | None:
        if one.run is None:
            return self._user(self._server.user)
        if self._server.hides_runs:
            raise GraphQLError(self._server.hides_runs)
        return self._run(one.run)

    def _run(self, run: Run) -> Node:
        git = {"remote": run.remote, "commit": run.commit}
        return {
            "__typename": "Run", "id": run.name, "name": run.name, "commit": run.commit,
            "summaryMetrics": json.dumps(run.summary), "user": self._user(run.user),
            "project": self._names(run.entity, run.project), "runInfo": {"git": git},
            "inputArtifacts": lambda _, first=None, after=None: {
                "edges": [{"node": self._artifact(each)} for each in run.inputs]
            },
        }  # fmt: skip

    def _files(
        self, one: Version, *, names: list[str] | None, after: str | None, first: int | None
    ) -> Node:
        """A page of files, in the server's own size where that is smaller."""
        paths = [path for path in sorted({*one.files, *one.refs}) if not names or path in names]
        begin = int(after or 0)
        end = begin + min(first or self._server.page, self._server.page)
        return {
            "totalCount": len(paths),
            "pageInfo": {"endCursor": str(end), "hasNextPage": end < len(paths)},
            "edges": [
                {"node": self._file(one, path, len(one.files.get(path, b"")))}
                for path in paths[begin:end]
            ],
        }

    def _file(self, one: Version, path: str, size: int) -> Node:
        address = self._server.signed(one, path)
        return {
            "id": path, "name": path, "displayName": path, "sizeBytes": size, "directUrl": address
        }  # fmt: skip
