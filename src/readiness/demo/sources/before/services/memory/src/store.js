const fs = require("fs");
const path = require("path");
const { randomUUID } = require("crypto");
const { QdrantClient } = require("@qdrant/js-client-rest");

const DATA = path.join(__dirname, "..", "data");
const qdrant = new QdrantClient({ url: process.env.QDRANT_URL });

// For the demo: the documents themselves go to files.
function addDocument(title, content) {
  const name = randomUUID();
  fs.writeFileSync(path.join(DATA, `${name}.json`), JSON.stringify({ title, content, at: Date.now() }));
  return name;
}

function readDocuments() {
  return fs
    .readdirSync(DATA)
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(fs.readFileSync(path.join(DATA, name), "utf8")));
}

async function health() {
  await qdrant.getCollections();
  return { status: "ok" };
}

module.exports = { addDocument, readDocuments, health };
