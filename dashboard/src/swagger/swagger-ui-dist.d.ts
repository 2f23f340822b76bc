// Types for the part of swagger-ui-dist that the page uses. The package contains none.
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  export default function SwaggerUI(options: {
    dom_id: string;
    spec: object;
    deepLinking: boolean;
    validatorUrl: null;
    defaultModelsExpandDepth: number;
    onComplete: () => void;
  }): { preauthorizeApiKey(scheme: string, key: string): void };
}
