// Calls every operation of a running service. The type of `calls` demands one call for each operation in the
// document, and the compiler checks what each sends and reads.
import createClient from "openapi-fetch";
import type { components, operations, paths } from "./schema.js";

declare const process: { argv: string[] };

interface Given {
  url: string;
  cluster: string;
  execution_id: string;
  report: { execution_id: string; stdout: string; exit_code: number };
  signature: Record<string, string>;
  artifact: string;
  hook: string;
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
    body: {
      project,
      code: "console.log(1)",
      language: "js",
      stdin: "in\n",
      tags: { team: "blue" },
      artifacts: ["out/**"],
      callback_url: given.hook,
      execute,
    },
  });
  if (data === undefined) throw new Error(`upload: ${response.status}`);
  const phase: "waiting" | "building" | "running" | "ended" = data.phase;
  if (execute && phase !== "ended") throw new Error(phase);
  const link = (data.logs_url ?? "").split("?")[1];
  return { id: data.job_id, logKey: data.log_key ?? "", link: new URLSearchParams(link) };
}

async function subscribe(): Promise<string> {
  const { data, response } = await api.POST("/api/webhooks", { body: { url: given.hook, events: ["job.completed"] } });
  if (data === undefined) throw new Error(`subscription: ${response.status}`);
  const secret: string = data.secret;
  if (!secret.startsWith("whsec_")) throw new Error(`subscription: ${secret}`);
  return data.webhook_id;
}

// The id of the first of the deliveries that has been posted.
async function posted(list: () => Promise<{ data?: components["schemas"]["DeliveryResponse"][] }>): Promise<string> {
  for (;;) {
    const delivery = (await list()).data?.find(({ status }) => status === "DELIVERED");
    if (delivery !== undefined) return delivery.delivery_id;
  }
}

async function eventOf(webhook_id: string): Promise<string> {
  const params = { path: { webhook_id } };
  await api.POST("/api/webhooks/{webhook_id}/test", { params });
  return posted(() => api.GET("/api/webhooks/{webhook_id}/deliveries", { params }));
}

// Events of webhooks are listed too, and have no other way to be posted again.
async function callbackOf(jobId: string): Promise<string> {
  return posted(async () => {
    const { data } = await api.GET("/api/jobs/{jobId}/deliveries", { params: { path: { jobId } } });
    return { data: (data ?? []).filter(({ webhook_id }) => webhook_id === null) };
  });
}

async function submit(): Promise<{ batchId: string; judged: string }> {
  const { data, response } = await api.POST("/api/batches", { body: { jobs } });
  if (data === undefined) throw new Error(`batch: ${response.status}`);
  const running: number | undefined = data.by_status["RUNNING"];
  const judged = data.jobs[1];
  if (running === undefined || judged === undefined) throw new Error(JSON.stringify(data));
  return { batchId: data.batch_id, judged };
}

const jobs: components["schemas"]["UploadRequest"][] = [
  { project, code: "console.log(1)", language: "js" },
  { project, code: "console.log(2)", language: "js", checker: { kind: "tokens" }, cases: [{ expected_stdout: "2" }] },
];
const { batchId, judged } = await submit();
const caseSet = { project, name: "sums" };
const webhook = { webhook_id: await subscribe() };
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
  indexOutput: () =>
    api.GET("/api/jobs/{jobId}/output/{stream}/lines", { params: { path: { ...path, stream: "stdout" } } }),
  searchOutput: () =>
    api.GET("/api/jobs/{jobId}/output/{stream}/matches", {
      params: { path: { ...path, stream: "stdout" }, query: { text: "out" } },
    }),
  readArtifact: () =>
    api.GET("/api/jobs/{jobId}/artifacts/{path}", {
      params: { path: { ...path, path: given.artifact } },
      parseAs: "blob",
    }),
  getCases: () => api.GET("/api/jobs/{jobId}/cases", { params: { path: { jobId: judged } } }),
  rerunJob: () =>
    api.POST("/api/jobs/{jobId}/rerun", { params: { path, query: { wait: 20 } }, body: { stdin: "again\n" } }),
  actOnJobs: () => api.POST("/api/jobs/actions", { body: { action: "cancel", filter: { tag: ["no:job"] } } }),
  submitBatch: () => api.POST("/api/batches", { body: { jobs, callback_url: given.hook } }),
  listBatches: () => api.GET("/api/batches", { params: { query: { limit: 1 } } }),
  getBatch: () => api.GET("/api/batches/{batchId}", { params: { path: { batchId }, query: { wait: 20 } } }),
  cancelBatch: () => api.POST("/api/batches/{batchId}/cancel", { params: { path: { batchId } } }),
  putCaseSet: () =>
    api.PUT("/api/projects/{project}/case-sets/{name}", {
      params: { path: caseSet },
      body: { cases: [{ name: "small", stdin: "5\n", expected_stdout: "5\n", weight: 2 }] },
    }),
  getCaseSet: () =>
    api.GET("/api/projects/{project}/case-sets/{name}", { params: { path: caseSet, query: { version: 1 } } }),
  listCaseSets: () => api.GET("/api/projects/{project}/case-sets", { params: { path: { project } } }),
  deleteCaseSet: () => api.DELETE("/api/projects/{project}/case-sets/{name}", { params: { path: caseSet } }),
  createWebhook: () => api.POST("/api/webhooks", { body: { url: given.hook, events: ["batch.completed"] } }),
  listWebhooks: () => api.GET("/api/webhooks", { params: { query: { project } } }),
  changeWebhook: () =>
    api.PATCH("/api/webhooks/{webhook_id}", { params: { path: webhook }, body: { status: "ACTIVE" } }),
  rotateWebhookSecret: () =>
    api.POST("/api/webhooks/{webhook_id}/rotate", { params: { path: webhook }, body: { overlap_s: 60 } }),
  testWebhook: () => api.POST("/api/webhooks/{webhook_id}/test", { params: { path: webhook } }),
  listDeliveries: () =>
    api.GET("/api/webhooks/{webhook_id}/deliveries", { params: { path: webhook, query: { limit: 1 } } }),
  redeliverEvent: async () =>
    api.POST("/api/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", {
      params: { path: { ...webhook, delivery_id: await eventOf(webhook.webhook_id) } },
    }),
  listJobDeliveries: () => api.GET("/api/jobs/{jobId}/deliveries", { params: { path } }),
  redeliverCallback: async () =>
    api.POST("/api/jobs/{jobId}/deliveries/{delivery_id}/redeliver", {
      params: { path: { ...path, delivery_id: await callbackOf(ended.id) } },
    }),
  deleteWebhook: () => api.DELETE("/api/webhooks/{webhook_id}", { params: { path: webhook } }),
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
  getProjectRetention: () => api.GET("/api/projects/{project}/retention", { params: { path: { project } } }),
  setProjectRetention: () =>
    api.PUT("/api/projects/{project}/retention", { params: { path: { project } }, body: { jobs_days: 365 } }),
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
  getTenantRetention: () => api.GET("/api/tenants/{tenant}/retention", { params: { path: { tenant } } }),
  setTenantRetention: () =>
    api.PUT("/api/tenants/{tenant}/retention", { params: { path: { tenant } }, body: { logs_days: 30 } }),
  deleteTenant: () => api.DELETE("/api/tenants/{tenant}", { params: { path: { tenant: "typescript-to-delete" } } }),
  listAuditEntries: () => api.GET("/api/audit", { params: { query: { limit: 1 } } }),
  listUsage: () => api.GET("/api/usage"),
  getQuotaUse: () => api.GET("/api/usage/quota"),
  listRuntimes: () => api.GET("/api/runtimes"),
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
