// Calls every operation of a running service. The type of `calls` demands one call for each operation in the
// document, and the compiler checks what each sends and reads.
import createClient from "openapi-fetch";
import type { operations, paths } from "./schema.js";

declare const process: { argv: string[] };

interface Given {
  url: string;
  cluster: string;
  execution_id: string;
  report: { execution_id: string; stdout: string; exit_code: number };
  signature: Record<string, string>;
  key: string;
  key_to_rotate: string;
  key_to_revoke: string;
}

const given = JSON.parse(process.argv[2] ?? "") as Given;
const api = createClient<paths>({ baseUrl: given.url, headers: { Authorization: `Bearer ${given.key}` } });
const project = "typescript";
const tenant = "typescript";

async function upload(execute: boolean): Promise<{ id: string; logKey: string; link: URLSearchParams }> {
  const { data, response } = await api.POST("/api/upload", {
    params: { query: { wait: 20 } },
    body: { project, code: "console.log(1)", language: "js", stdin: "in\n", tags: { team: "blue" }, execute },
  });
  if (data === undefined) throw new Error(`upload: ${response.status}`);
  const phase: "waiting" | "building" | "running" | "ended" = data.phase;
  if (execute && phase !== "ended") throw new Error(phase);
  const link = (data.logs_url ?? "").split("?")[1];
  return { id: data.job_id, logKey: data.log_key ?? "", link: new URLSearchParams(link) };
}

const ended = await upload(true);
const waiting = await upload(false);
const path = { jobId: ended.id };

const calls: { [name in keyof operations]: () => Promise<{ response: Response }> } = {
  uploadCode: () => api.POST("/api/upload", { body: { project, code: "", language: "python" } }),
  executeJob: () => api.POST("/api/execute/{jobId}", { params: { path: { jobId: waiting.id } } }),
  cancelJob: async () =>
    api.POST("/api/cancel/{jobId}", { params: { path: { jobId: (await upload(false)).id } } }),
  getJob: () => api.GET("/api/jobs/{jobId}", { params: { path } }),
  getJobStatus: () => api.GET("/api/jobs/{jobId}/status", { params: { path, query: { wait: 0.1 } } }),
  getStatus: () => api.GET("/api/status/{jobId}", { params: { path } }),
  listJobs: () => api.GET("/api/jobs", { params: { query: { limit: 1, status: ["SUCCESS"], tag: ["team:blue"] } } }),
  listProjectJobs: () => api.GET("/api/projects/{project}/jobs", { params: { path: { project } } }),
  getTimeline: () => api.GET("/api/jobs/{jobId}/timeline", { params: { path } }),
  followEvents: () => api.GET("/api/jobs/{jobId}/events", { params: { path }, parseAs: "text" }),
  followOutput: () => api.GET("/api/jobs/{jobId}/output", { params: { path, query: { offset: 0 } }, parseAs: "text" }),
  readOutput: () =>
    api.GET("/api/jobs/{jobId}/output/{stream}", { params: { path: { ...path, stream: "stdout" } }, parseAs: "text" }),
  readLog: () => api.GET("/api/log", { params: { query: { log_key: ended.logKey } } }),
  readLogByLink: () =>
    api.GET("/api/log-link", {
      params: {
        query: {
          log_key: ended.logKey,
          expires: ended.link.get("expires") ?? "",
          signature: ended.link.get("signature") ?? "",
        },
      },
    }),
  createProject: () => api.POST("/api/project", { body: { project_name: project } }),
  listProjects: () => api.GET("/api/projects"),
  archiveProject: () => api.POST("/api/projects/{project}/archive", { params: { path: { project } } }),
  restoreProject: () => api.POST("/api/projects/{project}/restore", { params: { path: { project } } }),
  deleteProject: async () => {
    await api.POST("/api/project", { params: { query: { project_name: "to delete" } } });
    return api.DELETE("/api/projects/{project}", { params: { path: { project: "to delete" } } });
  },
  deleteJob: async () =>
    api.DELETE("/api/jobs/{jobId}", { params: { path: { jobId: (await upload(true)).id } } }),
  listKeys: () => api.GET("/api/keys"),
  createKey: () => api.POST("/api/keys", { body: { name: "made", scopes: ["jobs:read"] } }),
  rotateKey: () =>
    api.POST("/api/keys/{key_id}/rotate", { params: { path: { key_id: given.key_to_rotate }, query: { tenant } } }),
  revokeKey: () =>
    api.DELETE("/api/keys/{key_id}", { params: { path: { key_id: given.key_to_revoke }, query: { tenant } } }),
  listTenants: () => api.GET("/api/tenants"),
  createTenant: () => api.POST("/api/tenants", { body: { tenant: "typescript-made" } }),
  getTenant: () => api.GET("/api/tenants/{tenant}", { params: { path: { tenant } } }),
  changeTenant: () =>
    api.PATCH("/api/tenants/{tenant}", { params: { path: { tenant } }, body: { status: "SUSPENDED" } }),
  setQuota: () => api.PUT("/api/tenants/{tenant}/quota", { params: { path: { tenant } }, body: { running: 1 } }),
  deleteTenant: () => api.DELETE("/api/tenants/{tenant}", { params: { path: { tenant: "typescript-to-delete" } } }),
  listAuditEntries: () => api.GET("/api/audit", { params: { query: { limit: 1 } } }),
  listUsage: () => api.GET("/api/usage"),
  getQuotaUse: () => api.GET("/api/usage/quota"),
  listLanguages: () => api.GET("/api/languages"),
  getEngine: () => api.GET("/api/engine"),
  getClusterMetrics: () =>
    api.GET("/api/cloudwatch/{clusterName}", {
      params: { path: { clusterName: given.cluster }, query: { minutes: 5, period: 60 } },
    }),
  listMetricNames: () =>
    api.GET("/api/cloudwatch/{clusterName}/metrics", { params: { path: { clusterName: given.cluster } } }),
  reportCompletion: () =>
    api.POST("/api/executions/{execution_id}/completion", {
      params: { path: { execution_id: given.execution_id } },
      body: given.report,
      headers: given.signature,
    }),
  getHealth: () => api.GET("/api/health"),
  getLiveness: () => api.GET("/health/live"),
  getReadiness: () => api.GET("/health/ready"),
};

const refused = await api.GET("/api/jobs/{jobId}", { params: { path: { jobId: "none" } } });
const statuses: Record<string, number> = { refused: refused.error?.status ?? 0 };
for (const [name, call] of Object.entries(calls)) statuses[name] = (await call()).response.status;
console.log(JSON.stringify(statuses));
