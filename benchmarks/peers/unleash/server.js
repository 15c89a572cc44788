// Unleash as its own documents start it; which database and which tokens it takes from the environment.
const { start } = require("unleash-server");

start({ server: { host: "127.0.0.1", port: Number(process.env.PORT) } });
