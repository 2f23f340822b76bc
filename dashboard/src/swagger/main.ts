// Swagger UI over the service's own OpenAPI document, which lies beside this page.
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";

SwaggerUI({
  dom_id: "#page",
  url: "./doc.json",
  deepLinking: true,
  // Its online validator belongs to somebody else.
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
});
