"""What a W&B server is asked over GraphQL: fields that its own client (0.31) asks for.

The one exception is `runInfo`, which older clients asked for; `without_run_info` leaves it out for
a server that does not know it. Pure.
"""

from __future__ import annotations

MEMBERSHIP = """
query ArtifactMembershipByName($entity: String!, $project: String!, $name: String!) {
  project(name: $project, entityName: $entity) {
    artifactCollectionMembership(name: $name) {
      versionIndex
      artifactCollection { __typename name project { name entity { name } } }
      artifact { id versionIndex digest state }
    }
  }
}
"""
"""What an alias means: `name` is `model:alias`. All that a poll costs."""

VERSION = """
query ArtifactVersion($id: ID!) {
  artifact(id: $id) {
    createdAt
    metadata
    tags { name }
    currentManifest { file { directUrl } }
    createdBy {
      __typename
      ... on User { username }
      ... on Run {
        name
        commit
        summaryMetrics
        user { username }
        project { name entity { name } }
        runInfo { git { remote commit } }
        inputArtifacts(first: 50) {
          edges {
            node {
              digest
              versionIndex
              artifactType { name }
              artifactSequence { name project { name entity { name } } }
            }
          }
        }
      }
    }
  }
}
"""
"""What a version is, and where it comes from."""

MANIFEST = """
query FetchArtifactManifest($id: ID!) {
  artifact(id: $id) { currentManifest { file { directUrl } } }
}
"""
"""Where the list of an artifact's files is, for a short time."""

FILES = """
query ArtifactMembershipFiles(
  $entity: String!, $project: String!, $collection: String!, $alias: String!,
  $names: [String!], $cursor: String, $perPage: Int
) {
  project(name: $project, entityName: $entity) {
    artifactCollection(name: $collection) {
      __typename
      artifactMembership(aliasName: $alias) {
        files(names: $names, after: $cursor, first: $perPage) {
          pageInfo { endCursor hasNextPage }
          edges { node { name directUrl } }
        }
      }
    }
  }
}
"""
"""Addresses of files, signed for a short time; `names` null for all."""

FILES_A_PAGE = 5000
"""As many as W&B's client asks for."""

VIEWER = """
query Viewer { viewer { entity } }
"""
"""Whose key it is."""

ORGANIZATIONS = """
query FetchOrgInfoFromEntity($entity: String!) {
  entity(name: $entity) {
    organization { name orgEntity { name } }
    user { organizations { name orgEntity { name } } }
  }
}
"""
"""The organizations of a team, or of a person."""


def without_run_info(query: str) -> str:
    """The same without what a newer server may not know any more."""
    return "".join(line for line in query.splitlines(keepends=True) if "runInfo" not in line)
