// Starts Swagger UI on our own document, with nothing fetched from elsewhere, in the colours that the reader prefers.

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

window.SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
});

// The list that the `type` of each problem points into.
function entry(problem) {
  const term = document.createElement("dt");
  term.id = problem.code;
  term.textContent = `${problem.status} ${problem.code}`;
  const meaning = document.createElement("dd");
  meaning.textContent = problem.detail;
  return [term, meaning];
}

fetch("/api/openapi.json")
  .then((response) => response.json())
  .then((document_) => {
    document.getElementById("problems").append(...document_["x-problems"].flatMap(entry));
    document.getElementById(location.hash.slice(1))?.scrollIntoView();
  });
