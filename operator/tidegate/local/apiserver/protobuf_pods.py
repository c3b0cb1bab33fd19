"""The protobuf messages that make up a pod's spec, for `protobuf`; a table, nothing else.

`kubectl create job --from` sends whole pod templates, so what stands in one must be read, or be
refused: see `STRICT`. A `^` for a name marks a message whose members JSON shows one level higher.
"""

from __future__ import annotations

MESSAGES: dict[str, dict[int, str]] = {
    "PodTemplateSpec": {1: "metadata:ObjectMeta", 2: "spec:PodSpec"},
    "PodSpec": {
        1: "*volumes:Volume", 2: "*containers:Container", 3: "restartPolicy",
        4: "terminationGracePeriodSeconds:int", 5: "activeDeadlineSeconds:int", 6: "dnsPolicy",
        7: "nodeSelector:map", 8: "serviceAccountName", 9: "serviceAccount", 10: "nodeName",
        11: "hostNetwork:bool", 15: "*imagePullSecrets:LocalObjectReference", 16: "hostname",
        17: "subdomain", 19: "schedulerName", 20: "*initContainers:Container",
        21: "automountServiceAccountToken:bool", 24: "priorityClassName", 25: "priority:int",
        29: "runtimeClassName", 30: "enableServiceLinks:bool", 31: "preemptionPolicy",
    },
    "LocalObjectReference": {1: "name"},
    "Container": {
        1: "name", 2: "image", 3: "*command", 4: "*args", 5: "workingDir",
        6: "*ports:ContainerPort", 7: "*env:EnvVar", 8: "resources:ResourceRequirements",
        9: "*volumeMounts:VolumeMount", 10: "livenessProbe:Probe", 11: "readinessProbe:Probe",
        13: "terminationMessagePath", 14: "imagePullPolicy", 16: "stdin:bool",
        17: "stdinOnce:bool", 18: "tty:bool", 19: "*envFrom:EnvFromSource",
        20: "terminationMessagePolicy", 22: "startupProbe:Probe",
    },
    "ContainerPort": {
        1: "name", 2: "hostPort:int", 3: "containerPort:int", 4: "protocol", 5: "hostIP",
    },
    "ResourceRequirements": {1: "limits:quantitymap", 2: "requests:quantitymap"},
    "VolumeMount": {
        1: "name", 2: "readOnly:bool", 3: "mountPath", 4: "subPath", 5: "mountPropagation",
        6: "subPathExpr",
    },
    "EnvVar": {1: "name", 2: "value", 3: "valueFrom:EnvVarSource"},
    "EnvVarSource": {
        1: "fieldRef:ObjectFieldSelector", 2: "resourceFieldRef:ResourceFieldSelector",
        3: "configMapKeyRef:KeySelector", 4: "secretKeyRef:KeySelector",
    },
    "ObjectFieldSelector": {1: "apiVersion", 2: "fieldPath"},
    "ResourceFieldSelector": {1: "containerName", 2: "resource", 3: "divisor:quantity"},
    "KeySelector": {1: "^:LocalObjectReference", 2: "key", 3: "optional:bool"},
    "EnvFromSource": {1: "prefix", 2: "configMapRef:EnvSource", 3: "secretRef:EnvSource"},
    "EnvSource": {1: "^:LocalObjectReference", 2: "optional:bool"},
    "Volume": {1: "name", 2: "^:VolumeSource"},
    "VolumeSource": {
        1: "hostPath:HostPath", 2: "emptyDir:EmptyDir", 6: "secret:SecretVolume",
        10: "persistentVolumeClaim:ClaimVolume", 16: "downwardAPI:DownwardAPI",
        19: "configMap:ConfigMapVolume", 26: "projected:Projected",
    },
    "HostPath": {1: "path", 2: "type"},
    "EmptyDir": {1: "medium", 2: "sizeLimit:quantity"},
    "SecretVolume": {
        1: "secretName", 2: "*items:KeyToPath", 3: "defaultMode:int", 4: "optional:bool",
    },
    "KeyToPath": {1: "key", 2: "path", 3: "mode:int"},
    "ClaimVolume": {1: "claimName", 2: "readOnly:bool"},
    "ConfigMapVolume": {
        1: "^:LocalObjectReference", 2: "*items:KeyToPath", 3: "defaultMode:int",
        4: "optional:bool",
    },
    "DownwardAPI": {1: "*items:DownwardAPIFile", 2: "defaultMode:int"},
    "DownwardAPIFile": {
        1: "path", 2: "fieldRef:ObjectFieldSelector", 3: "resourceFieldRef:ResourceFieldSelector",
        4: "mode:int",
    },
    "Projected": {1: "*sources:Projection", 2: "defaultMode:int"},
    "Projection": {
        1: "secret:ProjectedKeys", 2: "downwardAPI:DownwardAPI", 3: "configMap:ProjectedKeys",
    },
    "ProjectedKeys": {1: "^:LocalObjectReference", 2: "*items:KeyToPath", 4: "optional:bool"},
    "Probe": {
        1: "^:ProbeHandler", 2: "initialDelaySeconds:int", 3: "timeoutSeconds:int",
        4: "periodSeconds:int", 5: "successThreshold:int", 6: "failureThreshold:int",
        7: "terminationGracePeriodSeconds:int",
    },
    "ProbeHandler": {1: "exec:ExecAction", 2: "httpGet:HTTPGetAction", 3: "tcpSocket:TCPSocket"},
    "ExecAction": {1: "*command"},
    "HTTPGetAction": {
        1: "path", 2: "port:intorstring", 3: "host", 4: "scheme", 5: "*httpHeaders:HTTPHeader",
    },
    "HTTPHeader": {1: "name", 2: "value"},
    "TCPSocket": {1: "port:intorstring", 2: "host"},
}  # fmt: skip

STRICT = frozenset(MESSAGES) | {"JobSpec", "CronJobSpec", "PodDisruptionBudgetSpec"}
"""Messages of which nothing may be lost: a field that is not in the table is refused."""
