const express = require("express");

const roadmaps = [];
const app = express();
app.get("/health", (_request, response) => response.json({ status: "ok" }));
app.get("/roadmaps", (request, response) => response.json(roadmaps.filter((r) => r.user === request.query.user)));
app.listen(3005);
